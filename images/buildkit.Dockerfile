# The image of an environment, for BuildKit (0.8 or newer; no frontend has to be downloaded).
# All that a build needs is mounted and leaves no trace: uv, the lock, the wheels kept from earlier
# builds, and, as secrets, how this machine reaches the package index.
FROM @BASE@
@CUDA@RUN --mount=type=tmpfs,target=@FOLDER@ \
    --mount=type=bind,from=@INSTALLER@,source=/uv,target=@FOLDER@/uv \
    --mount=type=bind,source=requirements.lock,target=@FOLDER@/requirements.lock \
    --mount=type=bind,source=left-out,target=@FOLDER@/left-out \
    --mount=type=bind,source=wanted,target=@FOLDER@/wanted \
    --mount=type=bind,source=install.sh,target=@FOLDER@/install.sh \
    --mount=type=cache,id=@CACHE@,target=@FOLDER@/cache \
    --mount=type=secret,id=network,target=@FOLDER@/network \
    --mount=type=secret,id=certificates,target=@FOLDER@/certificates \
    sh @FOLDER@/install.sh
LABEL @LABELS@
