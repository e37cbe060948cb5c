"""`edgecolor demo`: a page that colours the photographs that are dropped on it, served by Streamlit."""
