
# The app of Home Assistant: `make home-assistant` appends these lines to Containerfile.
FROM edgecolor AS home-assistant
COPY start_camera.py /opt/edgecolor/
# Only root may read /data/options.json, in which Home Assistant stores the settings.
# hadolint ignore=DL3002
USER 0
ENTRYPOINT ["python", "/opt/edgecolor/start_camera.py"]
CMD []
