"""Frames: landmarks, alignment, regions, optical flow, strain, and the apex of an expression.

Everything here works on arrays; OpenCV and MediaPipe are imported where they are used.
"""
