"""landremed.io"""
