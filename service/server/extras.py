"""What to install where a package is missing, since the wheel alone brings what reads bundles and no more."""


def missing(error: ModuleNotFoundError) -> str:
    """One line that names the package and what brings it. Raises the error again if a module of ours is missing."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "service", "models"):
        raise error
    return f"the package {package} is missing: pip install 'digit-vae-service[service]', or [cuda] for a GPU."
