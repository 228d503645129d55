"""Rules by which it follows from findings what to try next."""
