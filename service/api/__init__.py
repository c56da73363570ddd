"""What the service answers, by subject. The only home of fastapi and starlette."""
