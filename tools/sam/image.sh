#!/usr/bin/env bash
# The image in which `sam local` runs functions: Amazon's where it can be pulled, else one made here.
#
#   tools/sam/image.sh
#
# The one made here is a small root from this machine's own Debian packages (loader, libc and friends, resolver, certificate
# authorities) with the runtime interface emulator that the SAM CLI carries, under the names that `sam local` looks for. It
# is no Amazon Linux: it proves handlers, events and configuration, not the libraries of provided.al2023.
set -euo pipefail
cd "$(dirname "$0")/../.."
case $(uname -m) in
x86_64) machine=x86_64 ;;
aarch64 | arm64) machine=arm64 ;;
*)
    echo "expected x86_64 or arm64, found $(uname -m)" >&2
    exit 3
    ;;
esac
image=public.ecr.aws/lambda/provided
base=$image:al2023-$machine
emulated=$image:al2023-rapid-$machine

docker image inspect "$emulated" >/dev/null 2>&1 && exit 0
if timeout 60 docker pull --quiet "$base" >/dev/null 2>&1; then
    echo "pulled $base; sam adds its emulator to it" >&2
    exit 0
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{etc/ssl/certs,tmp,var/task,var/runtime,var/rapid,opt}
chmod 1777 "$root/tmp"
emulator=$(find .local/sam/lib -path "*samcli/local/rapid/aws-lambda-rie-$machine")
install -m 755 "$emulator" "$root/var/rapid/aws-lambda-rie"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'root:x:0:0:root:/tmp:/sbin/nologin' >"$root/etc/passwd"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# Every library that these packages install for this machine, where the loader looks for it.
libraries=$(dpkg -L libc6 libgcc-s1 | grep -E '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|nss_dns|nss_files|gcc_s))\.so\.[0-9]+$')
for library in $libraries; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
loader=$(find "$root" -name 'ld-linux*' -type f | head -n 1)
case $machine in
x86_64) at=/lib64 ;;
arm64) at=/lib ;;
esac
mkdir -p "$root$at"
[ -e "$root$at/$(basename "$loader")" ] || cp "$loader" "$root$at/"

tar -C "$root" -c . | docker import --change 'WORKDIR /var/task' - "$emulated" >/dev/null
docker tag "$emulated" "$base"
echo "made $emulated from Debian packages, $(docker image inspect --format '{{.Size}}' "$emulated") bytes" >&2
