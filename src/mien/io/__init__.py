"""Bytes of one file format each: headers when a file is opened, samples when they are asked for."""
