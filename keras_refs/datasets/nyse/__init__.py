"""The New York Stock Exchange, day by day."""
