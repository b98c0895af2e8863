"""Remove faces and spoken names from footage, and prove that it was done."""
