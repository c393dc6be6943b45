RUN --mount=type=tmpfs,target=@FOLDER@ \
    --mount=type=bind,from=@CUDA_IMAGE@,target=@FOLDER@/cuda \
    --mount=type=bind,source=cuda.sh,target=@FOLDER@/cuda.sh \
    sh @FOLDER@/cuda.sh
ENV LD_LIBRARY_PATH=/usr/local/cuda/lib64
