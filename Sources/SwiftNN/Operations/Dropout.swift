import CSwiftNN

/// y = residual + (keep ? x / (1 - p) : 0); element i is kept where random number offset + i is at least p. Threads: pieces of x.
@_cdecl("snn_dropout_forward") @implementation
public func snn_dropout_forward(_ args: UnsafePointer<snn_dropout_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "dropout") == Int32(SNN_FLOAT32) {
            try dropoutForward(args.pointee, Float.self)
        } else {
            try dropoutForward(args.pointee, Double.self)
        }
    }
}

func dropoutForward<T: Element>(_ args: snn_dropout_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "dropout", T.self)
    let residual = try optionalView(args.residual, "residual", "dropout", T.self)
    try require(residual, x.shape, "residual", "dropout")
    guard args.p >= 0 && args.p <= 1 else {
        throw Message("dropout: p is ").number(args.p).text("; it has to be between 0 and 1").valueError
    }
    guard try output(args.y, T.dtype, x.shape) else { return }
    let y = args.y.pointee.data(T.self)
    let dropout = Dropout<T>(p: args.p, seed: args.seed, offset: args.offset)
    forEachPiece(x, cost: 8) { piece, at, n in dropout.apply(piece, y + at, at, n) }
    if let residual {
        forEachPiece(residual, cost: 1) { piece, at, n in T.kernels.pointee.add(piece, y + at, y + at, Int64(n)) }
    }
}

/// The mask of a dropout, decided anew wherever it is needed.
struct Dropout<T: Element> {
    private let p: Double
    private let scale: T
    private let random: CounterRandom

    init(p: Double, seed: Int64, offset: Int64) {
        self.p = p
        scale = p < 1 ? 1 / (1 - T(p)) : 0
        random = CounterRandom(seed: seed, offset: offset)
    }
    /// y[i] = keep(at + i) ? x[i] * scale : 0; x may be y. Without x: the factors, scale or 0.
    func apply(_ x: UnsafePointer<T>?, _ y: UnsafeMutablePointer<T>, _ at: Int, _ n: Int) {
        // p as a threshold on the 32 random bits: u 2^-32 >= p
        let threshold = (p * 0x1p32).rounded(.up)
        guard threshold < 0x1p32 else {
            memset(y, 0, n * MemoryLayout<T>.stride)
            return
        }
        var a = snn_dropout(
            key: random.key, index: random.offset &+ UInt64(at), threshold: UInt32(threshold), scale: Double(scale), x: x, y: y,
            n: Int64(n))
        T.kernels.pointee.dropout(&a)
    }
}
