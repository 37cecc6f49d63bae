"""Texts of errors and findings in Chinese and English: data only."""
