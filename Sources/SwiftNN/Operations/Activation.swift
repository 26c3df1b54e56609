import CSwiftNN

/// y = f(x), f one of the kinds of swiftnn.h. Threads: pieces of x.
@_cdecl("snn_activation_forward") @implementation
public func snn_activation_forward(_ args: UnsafePointer<snn_activation_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "activation") == Int32(SNN_FLOAT32) {
            try activationForward(args.pointee, Float.self)
        } else {
            try activationForward(args.pointee, Double.self)
        }
    }
}

func activationForward<T: Element>(_ args: snn_activation_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "activation", T.self)
    guard args.kind >= 0 && args.kind < Int64(SNN_ACTIVATION_COUNT) else {
        throw Message("activation: kind is ").number(Int(args.kind)).text("; expected one of swiftnn.h").valueError
    }
    guard try output(args.y, T.dtype, x.shape) else { return }
    let y = args.y.pointee.data(T.self)
    let cheap = args.kind <= Int64(SNN_LEAKY_RELU)
    forEachPiece(x, cost: cheap ? 1 : 8) { piece, at, n in
        T.kernels.pointee.unary(args.kind, args.alpha, args.beta, piece, y + at, Int64(n))
    }
}

/// y = x > 0 ? x : weight[c] x, c the index in dimension 1 (weight of one number: the same for all).
@_cdecl("snn_prelu_forward") @implementation
public func snn_prelu_forward(_ args: UnsafePointer<snn_prelu_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "prelu") == Int32(SNN_FLOAT32) {
            try preluForward(args.pointee, Float.self)
        } else {
            try preluForward(args.pointee, Double.self)
        }
    }
}

func preluForward<T: Element>(_ args: snn_prelu_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "prelu", T.self)
    let weight = try view(args.weight, "weight", "prelu", T.self)
    let channels = x.count >= 2 ? x.shape[1] : 1
    guard weight.size == 1 || (weight.count == 1 && weight.shape[0] == channels) else {
        throw Message("prelu: weight has shape ").shape(weight.shape).text("; expected one number, or one for each of the ")
            .number(channels).text(" channels of input ").shape(x.shape).shapeError
    }
    guard try output(args.y, T.dtype, x.shape) else { return }
    let y = args.y.pointee.data(T.self)
    let alike = weight.size == 1
    // One call a channel and image: x (n, c, rest).
    let rest = x.shape.slice(2, x.count).size
    let from = try Contiguous(x)
    defer { from.release() }
    let slope = weight.count == 0 ? 0 : weight.strides[0]
    if alike {
        forEachPiece(ArrayView(data: from.data, shape: Shape(x.size)), cost: 1) { piece, at, n in
            T.kernels.pointee.unary(Int64(SNN_LEAKY_RELU), Double(weight.data[0]), 0, piece, y + at, Int64(n))
        }
        return
    }
    let rows = x.shape[0] * channels
    ThreadPool.run(rows, threads: ThreadPool.threads(forWork: x.size)) { row, _ in
        let alpha = Double(weight.data[row % channels * slope])
        T.kernels.pointee.unary(Int64(SNN_LEAKY_RELU), alpha, 0, from.data + row * rest, y + row * rest, Int64(rest))
    }
}
