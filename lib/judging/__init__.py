"""How good lifters are, and where they are not: errors by task, view, occlusion, clip length and frame rate."""
