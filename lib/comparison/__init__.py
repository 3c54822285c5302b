"""Results of models beside the truth: joint angles and joints, aligned by video and moment; tables, figures, a page."""
