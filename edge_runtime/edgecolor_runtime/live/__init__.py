"""The live session: a camera or a video, colored frame by frame, to a preview, a video file or pictures."""
