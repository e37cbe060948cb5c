"""`edgecolor demo`: a page that colors the photographs that are dropped on it, served by Streamlit."""
