{
  "variables": { "sanitize%": "" },
  "targets": [
    {
      "target_name": "snnet",
      # A unit takes in the files of one ring, which all read the same headers: each by itself they take four times as long.
      "sources": [
        "native/addon.cc",
        "native/units/sys.cc",
        "native/units/nl.cc",
        "native/units/rtnl.cc",
        "native/units/nft.cc",
        "native/units/exec.cc",
        "native/units/napi.cc"
      ],
      "include_dirs": ["native", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      # -Wno-restrict: GCC 12 warns of its own string concatenation (bug 105651).
      # -Wno-subobject-linkage: what a file has to itself is nobody else's in a unit either.
      # Swallow: while a worker is being terminated nothing can be thrown, and that must not be fatal.
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["<!@(pkg-config --cflags libnl-3.0)", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wno-missing-field-initializers", "-Wno-restrict", "-Wno-subobject-linkage"],
      "libraries": ["<!@(pkg-config --libs libnl-3.0)"],
      "ldflags": ["-Wl,--exclude-libs,ALL"],
      "conditions": [
        ["sanitize!=''", {
          "cflags_cc": ["-fsanitize=<(sanitize)", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"],
          # Templates of the standard library must be our copies: node has its own, which are not watched.
          "ldflags": ["-fsanitize=<(sanitize)", "-Wl,-Bsymbolic"]
        }]
      ]
    },
    {
      # What container runtimes run. Static where the compiler can: it starts sooner, and runs on any libc.
      "target_name": "snnet-cni",
      "type": "executable",
      "sources": [
        "native/sys/json.cc",
        "native/units/cni.cc"
      ],
      "include_dirs": ["native"],
      "cflags": ["-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wno-missing-field-initializers", "-Wno-restrict"],
      "ldflags!": ["-rdynamic"],
      "conditions": [
        ["sanitize==''", {
          "ldflags": ["<!@(node -p \"require('child_process').spawnSync(process.env.CXX||'g++',['-static','-x','c++','-','-o','/dev/null'],{input:'int main(){}'}).status===0?'-static':''\")"]
        }, {
          # -Wno-maybe-uninitialized: with sanitizers GCC 12 warns of std::optional's own moving (bug 80635).
          "cflags_cc": ["-fsanitize=<(sanitize)", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1", "-Wno-maybe-uninitialized"],
          "ldflags": ["-fsanitize=<(sanitize)"]
        }]
      ]
    }
  ]
}
