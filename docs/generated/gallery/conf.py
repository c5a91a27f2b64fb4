"""How the gallery is run."""
conf = {"within_subsection_order": "FileNameSortKey", "image_scrapers": ("matplotlib",), "download_all_examples": False}
