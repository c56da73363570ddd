"""How the service listens: processes, connections, signals. The only home of uvicorn and httptools."""
