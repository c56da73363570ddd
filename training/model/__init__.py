"""What is learned: networks, priors, objectives, and the autoencoder that they make."""
