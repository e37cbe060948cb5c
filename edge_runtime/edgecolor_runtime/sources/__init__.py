"""Where gray frames come from: cameras, streams, video files, folders.

The Pi camera is configured for sYCC, which is BT.601 in full range. The default of picamera2 for video is
limited range.
"""
