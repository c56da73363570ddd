"""How well the service reads pictures as people send them: canvases, scans, photos, made from MNIST's test digits."""
