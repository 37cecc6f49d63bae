"""landremed.report"""
