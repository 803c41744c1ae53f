"""Risk checks."""
