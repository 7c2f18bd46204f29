"""Videos in and out, by ffmpeg: frames in order, faces followed from frame to frame."""
