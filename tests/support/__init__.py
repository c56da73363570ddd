"""Clients and waits that tests of several folders share."""
