"""Video files and streams below the sources and outputs: PyAV, tracks, time stamps, gray of a decoded frame.

Both readers of a file use these modules: the source that decodes its pictures, and the output that copies its
sound.
"""
