"""Where colored frames go: video files with audio, recordings of cameras, and numbered images.

A video file that is colored gets its name when it is complete. A recording has its name from the first frame
on and stays playable whatever ends it.

Video keeps its range. Limited-range luma is stretched for the network and restored for the file: 220 levels
survive this exactly. Chroma is BT.601, so files declare SMPTE 170M with the primaries and transfer of sRGB,
whatever the source declared. FFmpeg's own program turns such files into the intended RGB.

Audio and subtitles are copied packet by packet. They are read from the file a second time, in step with the
pictures. Audio that the container does not hold is encoded again, and so is PCM for an MP4 file: few players
support that.
"""
