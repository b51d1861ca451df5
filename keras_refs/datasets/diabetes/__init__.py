"""Disease progression of diabetes patients."""
