"""The verbs, one file each: a plan makes a request a job; one function answers a group of such jobs."""
