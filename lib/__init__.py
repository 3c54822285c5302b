"""ErgoLift: 2D keypoints of people at work in; 3D joints, meshes, joint angles and posture scores out."""
