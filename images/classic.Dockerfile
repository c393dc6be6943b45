# The image of an environment, for Docker's classic builder, which has no mounts.
# The first stage holds uv and how this machine reaches the package index; the harness removes it
# after the build. Only /usr/local leaves it.
@CUDA_STAGE@FROM @BASE@ AS install
ARG owner
ARG build
LABEL @ROLE@=stage @OWNER@=$owner @BUILD@=$build
COPY --from=@INSTALLER@ /uv @FOLDER@/uv
COPY requirements.lock left-out wanted install.sh network certificates @FOLDER@/
RUN sh @FOLDER@/install.sh && rm -r @FOLDER@/cache

FROM @BASE@
@CUDA@COPY --from=install /usr/local /usr/local
LABEL @LABELS@
