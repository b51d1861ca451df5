"""Electricity consumption, hour by hour."""
