"""Tests of the local server, over real sockets on free ports."""
