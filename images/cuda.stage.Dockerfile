FROM @BASE@ AS cuda
ARG owner
ARG build
LABEL @ROLE@=stage @OWNER@=$owner @BUILD@=$build
COPY --from=@CUDA_IMAGE@ / @FOLDER@/cuda/
COPY cuda.sh @FOLDER@/
RUN sh @FOLDER@/cuda.sh

