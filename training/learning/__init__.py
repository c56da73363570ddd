"""How it is learned: a run in stages that can be killed and resumed, and its journal."""
