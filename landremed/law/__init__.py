"""landremed.law"""
