"""`edgecolor demo`: a page that colors the photographs that are dropped on it, served by Streamlit.

The expensive steps depend on the picture and the model, not on the saturation. The page therefore caches
reading and inference, and repeats only the last step, at the size that it shows. The whole picture is colored
when it is downloaded.

The divider is our own: an `input` of type range over two pictures, as in the preview. Existing components for
it load their script from other sites.
"""
