"""What the machine gives, and what each choice costs: `serving` over HTTP, `training` with torch. Run by hand."""
