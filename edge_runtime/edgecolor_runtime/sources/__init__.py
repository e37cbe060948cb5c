"""Where gray frames come from: cameras, streams, video files, folders."""
