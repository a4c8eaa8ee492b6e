"""What must hold before a guardian signs."""
