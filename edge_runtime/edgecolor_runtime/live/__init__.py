"""The live loop: one frame after another, stabilized over time, with statistics."""
