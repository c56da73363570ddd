"""How good a model is, one kind of question a file; `measurement` asks them all."""
