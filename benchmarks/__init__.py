"""What the machine gives, and what each choice costs. Run by hand, never by the tests."""
