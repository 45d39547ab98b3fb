# One static file: CPython, OpenSSL and every module that waitfor can reach. image/README.md tells how and why.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS cpython
ENV DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
        ca-certificates dpkg-dev gcc libc6-dev libssl-dev make python3-pip python3-venv zlib1g-dev
WORKDIR /build
RUN apt-get source python3.13 && mv python3.13-*/ cpython
COPY image/modules.off image/spare.c ./
# In the environment, since Debian's patches keep LDFLAGS out of the Makefile.
ENV LDFLAGS="-static -Wl,--gc-sections -Wl,--build-id=none /build/spare.o"
ENV SLIM="-fno-pie -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections"
# The sed takes the names of all characters ("\N{SNOWMAN}") out: 0.25 MB.
# Small all but the part in which a start spends its time: 0.1 MB for 9 ms.
RUN cd cpython \
 && export SOURCE_DATE_EPOCH="$(dpkg-parsechangelog -S Timestamp)" \
 && gcc -Os -fno-builtin $SLIM -c -o ../spare.o ../spare.c \
 && sed -i '/_UCD_\(NAME\|LOOKUP\)_METHODDEF$/d; /_ucnhash_CAPI/,/}/d' Modules/unicodedata.c \
 && ./configure -q --disable-test-modules --without-doc-strings --without-ensurepip --without-mimalloc \
        --without-readline --with-openssl=/usr MODULE_BUILDTYPE=static LINKFORSHARED=" " \
        OPT="-DNDEBUG -Os" CFLAGS="$SLIM" $(sed 's|.*|py_cv_module_&=n/a|' ../modules.off) \
 && make -s -j"$(nproc)" OPT="-DNDEBUG -O2" Python/ceval.o Python/gc.o Python/marshal.o Objects/call.o Objects/codeobject.o \
        Objects/descrobject.o Objects/dictobject.o Objects/listobject.o Objects/object.o Objects/obmalloc.o \
        Objects/setobject.o Objects/tupleobject.o Objects/typeobject.o Objects/unicodeobject.o \
 && make -s -j"$(nproc)" python \
 && cp python tracer \
 && ./tracer -c "import ssl, zlib"

FROM cpython AS packages
COPY image/requirements.txt ./
RUN pip install --no-cache-dir --no-compile --no-deps --require-hashes --target /site -r requirements.txt

# What is in the image, for those who have to answer for it: "build --target sbom".
FROM packages AS inventory
COPY image/sbom-requirements.txt ./
RUN python3 -m venv /sbom && /sbom/bin/pip install --no-cache-dir --require-hashes -r sbom-requirements.txt
COPY image/sbom.py ./
COPY waitfor/__init__.py /src/waitfor/
ARG SOURCE_DATE_EPOCH=0
RUN PYTHONPATH=/src /sbom/bin/python sbom.py /site cpython >/waitfor.cdx.json

FROM scratch AS sbom
COPY --from=inventory /waitfor.cdx.json /

FROM packages AS link
COPY image image
COPY waitfor /src/waitfor
# The hash seed, since what marshal writes depends on the order of sets.
RUN cd cpython \
 && PYTHONHASHSEED=0 PYTHONPATH=/src:/site ./tracer -S ../image/freeze.py /build/blob >Python/frozen.c \
 && cp ../image/main.c Programs/python.c \
 && make -s python 2>/dev/null \
 && install -D -s python /image/waitfor
COPY LICENSE ./
ARG SOURCE_DATE_EPOCH=0
RUN sh image/files /image && find /image -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

FROM scratch
COPY --from=link /image /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PATH=/
USER 65532:65532
ENTRYPOINT ["/waitfor"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="waitfor" \
      org.opencontainers.image.description="Waits until the DNS, TCP and HTTP services that a pod depends on are ready" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
