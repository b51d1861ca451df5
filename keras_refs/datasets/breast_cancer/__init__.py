"""Malignant and benign breast masses, measured."""
