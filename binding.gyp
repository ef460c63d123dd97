{
  "variables": { "sanitize%": "" },
  "targets": [
    {
      "target_name": "snnet",
      "sources": [
        "native/addon.cc",
        "native/sys/errno_name.cc",
        "native/sys/json.cc",
        "native/sys/netns.cc",
        "native/sys/process.cc",
        "native/sys/sysctl.cc",
        "native/sys/tap.cc",
        "native/sys/unix_socket.cc",
        "native/nl/batch.cc",
        "native/nl/dump.cc",
        "native/nl/message.cc",
        "native/nl/socket.cc",
        "native/rtnl/address.cc",
        "native/rtnl/attribute.cc",
        "native/rtnl/kinds.cc",
        "native/rtnl/link.cc",
        "native/rtnl/link_row.cc",
        "native/rtnl/neighbour.cc",
        "native/rtnl/route.cc",
        "native/nft/batch.cc",
        "native/nft/conntrack.cc",
        "native/nft/describe.cc",
        "native/nft/read_expression.cc",
        "native/nft/rows.cc",
        "native/nft/ruleset.cc",
        "native/nft/transaction.cc",
        "native/nft/user_data.cc",
        "native/nft/write_expression.cc",
        "native/nft/writer.cc",
        "native/exec/death_watch.cc",
        "native/exec/deletion_pool.cc",
        "native/exec/engine.cc",
        "native/exec/monitor.cc",
        "native/exec/netfilter.cc",
        "native/exec/nft_monitor.cc",
        "native/exec/other_namespaces.cc",
        "native/exec/plan_runner.cc",
        "native/exec/process_watch.cc",
        "native/exec/step_messages.cc",
        "native/exec/worker.cc",
        "native/napi/mailbox.cc",
        "native/napi/decode_expression.cc",
        "native/napi/decode_nft.cc",
        "native/napi/decode_step.cc",
        "native/napi/encode.cc",
        "native/napi/encode_expression.cc",
        "native/napi/encode_nft.cc",
        "native/napi/kernel_handle.cc",
        "native/napi/kernel_netfilter.cc",
        "native/napi/process_calls.cc",
        "native/napi/reader.cc",
        "native/napi/service_calls.cc"
      ],
      "include_dirs": ["native", "<!@(node -p \"require('node-addon-api').include_dir\")"],
      # -Wno-restrict: GCC 12 warns of its own string concatenation (bug 105651).
      # Swallow: while a worker is being terminated nothing can be thrown, and that must not be fatal.
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["<!@(pkg-config --cflags libnl-3.0)", "-fvisibility=hidden", "-fstack-protector-strong"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wno-missing-field-initializers", "-Wno-restrict"],
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
        "native/cni/daemon.cc",
        "native/cni/delegate.cc",
        "native/cni/failure.cc",
        "native/cni/io.cc",
        "native/cni/main.cc",
        "native/cni/program.cc",
        "native/cni/request.cc"
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
