"""Reports that compare models: choice, pictures, HTML, Markdown."""
