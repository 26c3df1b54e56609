// swift-tools-version: 6.0
import PackageDescription

/// The instruction set levels. Each is a target that compiles the sources of Sources/Kernels (through a symbolic link) with its own
/// machine flags; the frame picks one at load and reaches it through C function pointers only (Sources/SwiftNN/Dispatch.swift).
#if arch(arm64)
    let levels: [(target: String, flags: [String])] = [("KernelsNEON", [])]
#else
    let levels: [(target: String, flags: [String])] = [
        ("KernelsBase", ["-Osize", "-DSMALL"]),  // for CPUs without AVX2, where no speed is promised
        ("KernelsAVX2", ["-Xcc", "-march=x86-64-v3"]),
        ("KernelsAVX512", ["-Xcc", "-march=x86-64-v4", "-Xcc", "-mprefer-vector-width=512"]),
    ]
#endif

/// Swift tests are linked with the library's settings: sanitizers' functions in them have to be seen by all libraries (Tests/checked/run).
let exports =
    Context.environment["SWIFTNN_EXPORT_ALL"] != nil
    ? [] : ["-Xlinker", "--version-script=\(Context.packageDirectory)/Sources/SwiftNN/exports.map"]

let package = Package(
    name: "swiftnn",
    products: [
        .library(name: "SwiftNN", type: .dynamic, targets: ["SwiftNN"])
    ],
    targets: [
        .target(name: "CSwiftNN", cSettings: [.unsafeFlags(["-fvisibility=hidden"])]),
        .target(name: "BaseRuntime"),
        .target(
            name: "SwiftNN",
            dependencies: ["BaseRuntime", "CSwiftNN"] + levels.map { .init(stringLiteral: $0.target) },
            exclude: ["exports.map"],
            swiftSettings: [.unsafeFlags(["-Ounchecked"], .when(configuration: .release))],
            linkerSettings: [
                .linkedLibrary("m"),
                .unsafeFlags(exports),
                // Without a name of its own the library has the path of the build in it.
                .unsafeFlags(["-Xlinker", "-soname=libSwiftNN.so"]),
                // Sources/CSwiftNN/platform.c: what Swift allocates by itself has a reserve
                .unsafeFlags(["-Xlinker", "--wrap=posix_memalign", "-Xlinker", "--wrap=free"]),
            ]),
        .target(name: "SwiftNNTestSupport", dependencies: ["CSwiftNN"], path: "Tests/SwiftNNTestSupport"),
        .testTarget(
            name: "SwiftNNTests", dependencies: ["SwiftNN", "CSwiftNN", "SwiftNNTestSupport"], swiftSettings: [.unsafeFlags(["-O"])]),
    ]
        + levels.map {
            .target(
                name: $0.target, dependencies: ["CSwiftNN"],
                // Whole modules in debug builds too: the tests have to run the specialised, inlined code that ships.
                swiftSettings: [
                    .unsafeFlags(["-Ounchecked"] + $0.flags),
                    .unsafeFlags(["-wmo", "-num-threads", "1"], .when(configuration: .debug)),
                ])
        },
    swiftLanguageModes: [.v6]
)
