"""The report page: one self-contained HTML file on runs, with all that is known of them."""
