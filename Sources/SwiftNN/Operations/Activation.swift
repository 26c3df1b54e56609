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
    let writer = RowWriter<T>(total: x.size)
    forEachPiece(x, cost: cheap ? 1 : 8) { piece, at, n in
        writer.write(y + at, n) { i, y, n in T.kernels.pointee.unary(args.kind, args.alpha, args.beta, piece + i, y, Int64(n)) }
        writer.end()
    }
}

/// dx = dy f'(x) for y = f(x). Reads y for RELU, RELU6, SIGMOID, TANH, EXP, HARDTANH, SELU, and LEAKY_RELU and ELU with alpha >= 0, else x.
/// Where f has a kink the derivative is PyTorch's: 0 at the bounds of RELU, RELU6, HARDTANH, HARDSIGMOID, THRESHOLD,
/// HARDSHRINK and SOFTSHRINK. Threads: pieces of dy.
@_cdecl("snn_activation_backward") @implementation
public func snn_activation_backward(_ args: UnsafePointer<snn_activation_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "activation_backward") == Int32(SNN_FLOAT32) {
            try activationBackward(args.pointee, Float.self)
        } else {
            try activationBackward(args.pointee, Double.self)
        }
    }
}

/// Whether the derivative of an activation is computed from its result.
func derivativeReadsResult(_ kind: Int64, alpha: Double) -> Bool {
    switch Int(kind) {
    case SNN_RELU, SNN_RELU6, SNN_SIGMOID, SNN_TANH, SNN_EXP, SNN_HARDTANH, SNN_SELU: return true
    case SNN_LEAKY_RELU, SNN_ELU: return alpha >= 0
    default: return false
    }
}

private func activationBackward<T: Element>(_ args: snn_activation_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "activation_backward"
    let dy = try view(args.dy, "dy", name, T.self)
    guard args.kind >= 0 && args.kind < Int64(SNN_ACTIVATION_COUNT) else {
        throw Message(name).text(": kind is ").number(Int(args.kind)).text("; expected one of swiftnn.h").valueError
    }
    let fromResult = derivativeReadsResult(args.kind, alpha: args.alpha)
    let given = fromResult ? try optionalView(args.y, "y", name, T.self) : try optionalView(args.x, "input", name, T.self)
    guard let given else {
        throw Message(name).text(": kind ").number(Int(args.kind)).text(" needs ").text(fromResult ? "y" : "input")
            .text(", which is missing").valueError
    }
    try require(given, dy.shape, fromResult ? "y" : "input", name)
    guard try output(args.dx, T.dtype, dy.shape) else { return }
    let dx = args.dx.pointee.data(T.self)
    let s = try Contiguous(given)
    defer { s.release() }
    let cheap = args.kind <= Int64(SNN_LEAKY_RELU)
    let writer = RowWriter<T>(total: dy.size)
    forEachPiece(dy, cost: cheap ? 1 : 8) { piece, at, n in
        writer.write(dx + at, n) { i, dx, n in
            T.kernels.pointee.unary_backward(args.kind, args.alpha, args.beta, piece + i, s.data + (at + i), dx, Int64(n))
        }
        writer.end()
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

/// dx = x > 0 ? dy : weight[c] dy; dweight[c] = sum of dy x where x <= 0, from y = x > 0 ? x : weight[c] x. Threads: images and channels.
@_cdecl("snn_prelu_backward") @implementation
public func snn_prelu_backward(_ args: UnsafePointer<snn_prelu_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "prelu_backward") == Int32(SNN_FLOAT32) {
            try preluBackward(args.pointee, Float.self)
        } else {
            try preluBackward(args.pointee, Double.self)
        }
    }
}

private func preluBackward<T: Element>(_ args: snn_prelu_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "prelu_backward"
    let dy = try view(args.dy, "dy", name, T.self)
    let x = try view(args.x, "input", name, T.self)
    let weight = try view(args.weight, "weight", name, T.self)
    let channels = x.count >= 2 ? x.shape[1] : 1
    guard weight.size == 1 || (weight.count == 1 && weight.shape[0] == channels) else {
        throw Message(name).text(": weight has shape ").shape(weight.shape).text("; expected one number, or one for each of the ")
            .number(channels).text(" channels of input ").shape(x.shape).shapeError
    }
    try require(dy, x.shape, "dy", name)
    let hasX = try outputIfWanted(args.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(args.dweight, T.dtype, weight.shape)
    guard hasX && hasWeight else { return }
    let dx = args.dx?.pointee.data(T.self), dweight = args.dweight?.pointee.data(T.self)
    let alike = weight.size == 1
    // Rows with one slope each: a channel of an image, or pieces of the whole.
    let plane = x.shape.slice(2, x.count).size
    let piece = alike ? 32_768 : plane
    let rows = alike ? ceilDivide(x.size, piece) : x.shape[0] * channels
    let from = try Contiguous(x)
    defer { from.release() }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let sums = try Scratch<Double>(rows)
    defer { sums.release() }
    let slope = weight.count == 0 ? 0 : weight.strides[0]
    let perTask = max(1, 8192 / max(piece, 1))
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: x.size)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let at = row * piece
            let n = Int64(min(piece, x.size - at))
            let alpha = Double(weight.data[alike ? 0 : row % channels * slope])
            if let dx {
                T.kernels.pointee.unary_backward(Int64(SNN_LEAKY_RELU), alpha, 0, gradient.data + at, from.data + at, dx + at, n)
            }
            if dweight != nil { sums.base[row] = T.kernels.pointee.negative_dot(gradient.data + at, from.data + at, n) }
        }
    }
    guard let dweight else { return }
    for c in 0..<weight.size {
        var sum = 0.0
        for row in stride(from: c, to: rows, by: weight.size) { sum += sums.base[row] }
        dweight[c] = T(sum)
    }
}
