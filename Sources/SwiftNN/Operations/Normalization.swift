import CSwiftNN

/// y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance over the last dimensions. Threads: rows.
@_cdecl("snn_layer_norm_forward") @implementation
public func snn_layer_norm_forward(_ args: UnsafePointer<snn_layer_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        if try floatType(a.x, "layer_norm") == Int32(SNN_FLOAT32) {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, a.bias, a.eps, center: true, a.y, "layer_norm", Float.self)
        } else {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, a.bias, a.eps, center: true, a.y, "layer_norm", Double.self)
        }
    }
}

/// y = x / sqrt(mean(x^2) + eps) * weight over the last dimensions. Threads: rows.
@_cdecl("snn_rms_norm_forward") @implementation
public func snn_rms_norm_forward(_ args: UnsafePointer<snn_rms_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        if try floatType(a.x, "rms_norm") == Int32(SNN_FLOAT32) {
            try rowNorm(a.x, a.normalized_shape, a.normalized_shape_count, a.weight, nil, a.eps, center: false, a.y, "rms_norm", Float.self)
        } else {
            try rowNorm(
                a.x, a.normalized_shape, a.normalized_shape_count, a.weight, nil, a.eps, center: false, a.y, "rms_norm", Double.self)
        }
    }
}

/// The sizes that an input's last dimensions have to have.
private func normalizedShape(
    _ sizes: UnsafePointer<Int64>?, _ count: Int64, _ input: Shape, _ name: StaticString
) throws(Failure) -> Shape {
    var shape = Shape()
    for i in 0..<Int(min(count, Int64(SNN_MAX_DIMS))) { shape.append(Int(sizes.unsafelyUnwrapped[i])) }
    guard count >= 1, shape.count <= input.count, input.slice(input.count - shape.count, input.count) == shape else {
        throw Message(name).text(": input has shape ").shape(input).text("; its last dimensions have to be normalized_shape = ")
            .shape(shape).shapeError
    }
    return shape
}

/// A view's last dimensions as contiguous rows: the caller's memory where they are, whatever the strides of the others, else a copy.
private struct Rows<T: Element> {
    private let x: ArrayView<T>
    private let leading: Int
    private let n: Int
    private let copy: Contiguous<T>?

    init(_ x: ArrayView<T>, trailing: Int) throws(Failure) {
        self.x = x
        leading = x.count - trailing
        let row = ArrayView(data: x.data, shape: x.shape.slice(leading, x.count), strides: x.strides.slice(leading, x.count))
        n = row.shape.size
        copy = row.isContiguous ? nil : try Contiguous(x)
    }
    subscript(row: Int) -> UnsafePointer<T> {
        copy.map { $0.data + row * n } ?? x.data + x.offset(row, dims: leading)
    }
    func release() { copy?.release() }
}

private func rowNorm<T: Element>(
    _ input: UnsafePointer<snn_array>?, _ sizes: UnsafePointer<Int64>?, _ count: Int64, _ weightArray: UnsafePointer<snn_array>?,
    _ biasArray: UnsafePointer<snn_array>?, _ eps: Double, center: Bool, _ result: UnsafeMutablePointer<snn_array>?,
    _ name: StaticString, _: T.Type
) throws(Failure) {
    let x = try view(input, "input", name, T.self)
    let shape = try normalizedShape(sizes, count, x.shape, name)
    let weight = try optionalView(weightArray, "weight", name, T.self)
    let bias = try optionalView(biasArray, "bias", name, T.self)
    try require(weight, shape, "weight", name)
    try require(bias, shape, "bias", name)
    guard try output(result, T.dtype, x.shape) else { return }
    let y = result.unsafelyUnwrapped.pointee.data(T.self)
    if x.size == 0 { return }
    let n = shape.size
    let w = try weight.map { (w) throws(Failure) in try Contiguous(w) }
    defer { w?.release() }
    let b = try bias.map { (b) throws(Failure) in try Contiguous(b) }
    defer { b?.release() }
    let inputs = try Rows(x, trailing: shape.count)
    defer { inputs.release() }
    let kernels = T.kernels
    let rows = x.size / n
    let perTask = max(1, 16_384 / n)
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: x.size * 2)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let from = inputs[row]
            var mean = 0.0, variance = 0.0
            if center {
                kernels.pointee.moments(from, Int64(n), &mean, &variance)
            } else {
                variance = kernels.pointee.mean_square(from, Int64(n))
            }
            kernels.pointee.normalize(from, mean, 1 / (variance + eps).squareRoot(), w?.data, b?.data, y + row * n, Int64(n))
        }
    }
}

/// Of y = z * weight + bias, z = (x - mean) / sqrt(variance + eps), with g = dy * weight and means over the last dimensions:
/// dx = (g - mean(g) - z mean(g z)) / sqrt(variance + eps); dweight and dbias are the sums of dy z and dy over the rows. Threads: rows.
@_cdecl("snn_layer_norm_backward") @implementation
public func snn_layer_norm_backward(_ args: UnsafePointer<snn_layer_norm_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "layer_norm_backward") == Int32(SNN_FLOAT32) {
            try rowNormBackward(args.pointee, center: true, "layer_norm_backward", Float.self)
        } else {
            try rowNormBackward(args.pointee, center: true, "layer_norm_backward", Double.self)
        }
    }
}

/// Of y = z * weight, z = x / sqrt(mean(x^2) + eps), with g = dy * weight: dx = (g - z mean(g z)) / sqrt(mean(x^2) + eps),
/// dweight = sum of dy z over the rows. Threads: rows.
@_cdecl("snn_rms_norm_backward") @implementation
public func snn_rms_norm_backward(_ args: UnsafePointer<snn_rms_norm_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        let same = snn_layer_norm_backward_args(
            dy: a.dy, x: a.x, normalized_shape: a.normalized_shape, normalized_shape_count: a.normalized_shape_count, weight: a.weight,
            eps: a.eps, dx: a.dx, dweight: a.dweight, dbias: nil)
        if try floatType(a.x, "rms_norm_backward") == Int32(SNN_FLOAT32) {
            try rowNormBackward(same, center: false, "rms_norm_backward", Float.self)
        } else {
            try rowNormBackward(same, center: false, "rms_norm_backward", Double.self)
        }
    }
}

private func rowNormBackward<T: Element>(
    _ a: snn_layer_norm_backward_args, center: Bool, _ name: StaticString, _: T.Type
) throws(Failure) {
    let dy = try view(a.dy, "dy", name, T.self)
    let x = try view(a.x, "input", name, T.self)
    let shape = try normalizedShape(a.normalized_shape, a.normalized_shape_count, x.shape, name)
    let weight = try optionalView(a.weight, "weight", name, T.self)
    try require(weight, shape, "weight", name)
    try require(dy, x.shape, "dy", name)
    let hasX = try outputIfWanted(a.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(a.dweight, T.dtype, shape)
    let hasBias = try outputIfWanted(a.dbias, T.dtype, shape)
    guard hasX && hasWeight && hasBias else { return }
    let dx = a.dx?.pointee.data(T.self)
    let n = shape.size
    let rows = x.shape.slice(0, x.count - shape.count).size
    let w = try weight.map { (w) throws(Failure) in try Contiguous(w) }
    defer { w?.release() }
    let inputs = try Rows(x, trailing: shape.count)
    defer { inputs.release() }
    let gradients = try Rows(dy, trailing: shape.count)
    defer { gradients.release() }
    if n == 0 { return }
    try accumulateRows(
        rows, n, a.dweight?.pointee.data(T.self), a.dbias?.pointee.data(T.self), work: x.size * 4
    ) { part, dweight, dbias in
        for row in part {
            let from = inputs[row]
            var mean = 0.0, variance = 0.0
            if center {
                T.kernels.pointee.moments(from, Int64(n), &mean, &variance)
            } else {
                variance = T.kernels.pointee.mean_square(from, Int64(n))
            }
            var p = snn_normalize_backward(
                dy: gradients[row], x: from, weight: w?.data, n: Int64(n), center: center ? 1 : 0, mean: mean,
                rstd: 1 / (variance + a.eps).squareRoot(), dx: dx.map { $0 + row * n }, dweight: dweight, dbias: dbias)
            T.kernels.pointee.normalize_backward(&p)
        }
    }
}

/// Group norm: mean and variance over the channels of a group and all positions; weight and bias for each channel. Threads: groups.
@_cdecl("snn_group_norm_forward") @implementation
public func snn_group_norm_forward(_ args: UnsafePointer<snn_group_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "group_norm") == Int32(SNN_FLOAT32) {
            try groupNormForward(args.pointee, Float.self)
        } else {
            try groupNormForward(args.pointee, Double.self)
        }
    }
}

private func groupNormForward<T: Element>(_ a: snn_group_norm_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "group_norm", T.self)
    let weight = try optionalView(a.weight, "weight", "group_norm", T.self)
    let bias = try optionalView(a.bias, "bias", "group_norm", T.self)
    guard x.count >= 2 else {
        throw Message("group_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let channels = x.shape[1], groups = Int(a.groups)
    guard groups >= 1 && channels % groups == 0 else {
        throw Message("group_norm: num_groups is ").number(groups).text("; it has to be positive and divide the ").number(channels)
            .text(" channels of input ").shape(x.shape).valueError
    }
    try require(weight, Shape(channels), "weight", "group_norm")
    try require(bias, Shape(channels), "bias", "group_norm")
    guard try output(a.y, T.dtype, x.shape) else { return }
    if x.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let perGroup = channels / groups
    let plane = x.size / (x.shape[0] * channels)
    let n = perGroup * plane
    let scales = try weight.map { (w) throws(Failure) in try PlaneNumbers(w, channels, plane) }
    defer { scales?.release() }
    let shifts = try bias.map { (b) throws(Failure) in try PlaneNumbers(b, channels, plane) }
    defer { shifts?.release() }
    let writer = RowWriter<T>(total: x.size)
    ThreadPool.run(x.shape[0] * groups, threads: ThreadPool.threads(forWork: x.size * 2)) { task, _ in
        let base = task * n
        var mean = 0.0, variance = 0.0
        T.kernels.pointee.moments(from.data + base, Int64(n), &mean, &variance)
        let rstd = 1 / (variance + a.eps).squareRoot()
        if isSmallPlane(plane) {
            let first = task % groups * n
            T.kernels.pointee.normalize(
                from.data + base, mean, rstd, scales.map { $0.base + first }, shifts.map { $0.base + first }, y + base, Int64(n))
            return
        }
        for c in 0..<perGroup {
            let channel = task % groups * perGroup + c
            channelAffine(from.data + (base + c * plane), mean, rstd, weight, bias, channel, y + (base + c * plane), plane, writer)
        }
        writer.end()
    }
}

/// y = (x - mean) * rstd * weight[c] + bias[c]. Centred first, so that a large mean does not cost digits.
private func channelAffine<T: Element>(
    _ x: UnsafePointer<T>, _ mean: Double, _ rstd: Double, _ weight: ArrayView<T>?, _ bias: ArrayView<T>?, _ c: Int,
    _ y: UnsafeMutablePointer<T>, _ n: Int, _ writer: RowWriter<T>
) {
    let scale = rstd * (weight.map { Double($0.data[c * $0.strides[0]]) } ?? 1)
    let shift = bias.map { Double($0.data[c * $0.strides[0]]) } ?? 0
    affine(nil, 0, x, scale, mean, shift, y, n, writer)
}

/// y = b (x - center) + c + a dy
private func affine<T: Element>(
    _ dy: UnsafePointer<T>?, _ a: Double, _ x: UnsafePointer<T>, _ b: Double, _ center: Double, _ c: Double, _ y: UnsafeMutablePointer<T>,
    _ n: Int, _ writer: RowWriter<T>
) {
    var numbers = (T(a), T(b), T(center), T(c))
    withUnsafePointer(to: &numbers) { numbers in
        let a = UnsafeRawPointer(numbers).assumingMemoryBound(to: T.self)
        writer.write(y, n) { i, y, n in
            var p = snn_affine(
                dy: dy.map { $0 + i }, x: x + i, a: a, b: a + 1, center: a + 2, c: a + 3, each: 0, n: Int64(n), y: y)
            T.kernels.pointee.affine(&p)
        }
    }
}

/// Planes so small that a call of a kernel for each would cost more than its work: channels are columns of rows (C, plane) then.
private func isSmallPlane(_ plane: Int) -> Bool { plane < 32 }

/// One number for each element of a (C, plane) row: a channel's numbers repeated.
private struct PlaneNumbers<T: Element> {
    let base: UnsafeMutablePointer<T>
    private let memory: Scratch<T>

    init(_ channels: Int, _ plane: Int, _ value: (Int) -> Double) throws(Failure) {
        memory = try Scratch<T>(isSmallPlane(plane) ? channels * plane : 1)
        base = memory.base
        if !isSmallPlane(plane) { return }
        for c in 0..<channels {
            let v = T(value(c))
            for i in 0..<plane { base[c &* plane &+ i] = v }
        }
    }
    init(_ values: ArrayView<T>, _ channels: Int, _ plane: Int) throws(Failure) {
        try self.init(channels, plane) { number(values, $0) }
    }
    func release() { memory.release() }
}

/// The sum of `count` numbers
private func total<T: Element>(_ x: UnsafePointer<T>, _ count: Int) -> Double {
    var sum = 0.0
    for i in 0..<count { sum += Double(x[i]) }
    return sum
}

/// With z = (x - mean) * rstd of a group and g = dy * weight[c]: dx = rstd (g - mean(g) - z mean(g z)); dweight and dbias are the sums of
/// dy z and dy over images and positions. Threads: groups.
@_cdecl("snn_group_norm_backward") @implementation
public func snn_group_norm_backward(_ args: UnsafePointer<snn_group_norm_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "group_norm_backward") == Int32(SNN_FLOAT32) {
            try groupNormBackward(args.pointee, Float.self)
        } else {
            try groupNormBackward(args.pointee, Double.self)
        }
    }
}

private func groupNormBackward<T: Element>(_ a: snn_group_norm_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "group_norm_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let x = try view(a.x, "input", name, T.self)
    let weight = try optionalView(a.weight, "weight", name, T.self)
    let channels = try channelCount(x, name), groups = Int(a.groups)
    guard groups >= 1 && channels % groups == 0 else {
        throw Message(name).text(": num_groups is ").number(groups).text("; it has to be positive and divide the ").number(channels)
            .text(" channels of input ").shape(x.shape).valueError
    }
    try require(weight, Shape(channels), "weight", name)
    try require(dy, x.shape, "dy", name)
    let hasX = try outputIfWanted(a.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(a.dweight, T.dtype, Shape(channels))
    let hasBias = try outputIfWanted(a.dbias, T.dtype, Shape(channels))
    guard hasX && hasWeight && hasBias else { return }
    let dx = a.dx?.pointee.data(T.self), dweight = a.dweight?.pointee.data(T.self), dbias = a.dbias?.pointee.data(T.self)
    let images = x.shape[0]
    let perGroup = channels / groups
    let plane = x.shape.slice(2, x.count).size
    let n = perGroup * plane
    let from = try Contiguous(x)
    defer { from.release() }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    if isSmallPlane(plane) {
        let width = channels * plane
        let scales = try weight.map { (w) throws(Failure) in try PlaneNumbers(w, channels, plane) }
        defer { scales?.release() }
        let sums = try Scratch<T>(2 * width)
        defer { sums.release() }
        try accumulateRows(
            images, width, dweight == nil ? nil : sums.base, dbias == nil ? nil : sums.base + width, work: x.size * 4
        ) { part, dweight, dbias in
            for row in (part.lowerBound * groups)..<(part.upperBound * groups) {
                let at = row * n, first = row % groups * n
                var mean = 0.0, variance = 0.0
                T.kernels.pointee.moments(from.data + at, Int64(n), &mean, &variance)
                var p = snn_normalize_backward(
                    dy: gradient.data + at, x: from.data + at, weight: scales.map { $0.base + first }, n: Int64(n), center: 1, mean: mean,
                    rstd: 1 / (variance + a.eps).squareRoot(), dx: dx.map { $0 + at }, dweight: dweight.map { $0 + first },
                    dbias: dbias.map { $0 + first })
                T.kernels.pointee.normalize_backward(&p)
            }
        }
        for c in 0..<channels {
            dweight?[c] = T(total(sums.base + c * plane, plane))
            dbias?[c] = T(total(sums.base + (width + c * plane), plane))
        }
        return
    }
    // Of each image and channel: the sums of dy and of dy z
    let sums = try Scratch<Double>(2 * images * channels)
    defer { sums.release() }
    let writer = RowWriter<T>(total: x.size)
    ThreadPool.run(images * groups, threads: ThreadPool.threads(forWork: x.size * 4)) { task, _ in
        let base = task * n
        var mean = 0.0, variance = 0.0
        T.kernels.pointee.moments(from.data + base, Int64(n), &mean, &variance)
        let rstd = 1 / (variance + a.eps).squareRoot()
        var sum = 0.0, dot = 0.0
        for c in 0..<perGroup {
            let at = 2 * (task * perGroup + c)
            let offset = base + c * plane
            var s = 0.0, d = 0.0
            T.kernels.pointee.centered_sums(gradient.data + offset, from.data + offset, mean, Int64(plane), &s, &d)
            (sums.base[at], sums.base[at + 1]) = (s, d * rstd)
            let w = number(weight, task % groups * perGroup + c)
            sum += w * s
            dot += w * d * rstd
        }
        guard let dx else { return }
        for c in 0..<perGroup {
            let offset = base + c * plane
            let w = number(weight, task % groups * perGroup + c)
            affine(
                gradient.data + offset, rstd * w, from.data + offset, -rstd * rstd * dot / Double(n), mean, -rstd * sum / Double(n),
                dx + offset, plane, writer)
        }
        writer.end()
    }
    for c in 0..<channels {
        var sum = 0.0, dot = 0.0
        for i in 0..<images {
            sum += sums.base[2 * (i * channels + c)]
            dot += sums.base[2 * (i * channels + c) + 1]
        }
        dweight?[c] = T(dot)
        dbias?[c] = T(sum)
    }
}

/// values[c], 1 where there are none
private func number<T: Element>(_ values: ArrayView<T>?, _ c: Int) -> Double { values.map { Double($0.data[c * $0.strides[0]]) } ?? 1 }

private func channelCount<T: Element>(_ x: ArrayView<T>, _ name: StaticString) throws(Failure) -> Int {
    guard x.count >= 2 else { throw Message(name).text(": input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError }
    return x.shape[1]
}

/// Batch norm with given statistics. Threads: images and channels.
@_cdecl("snn_batch_norm_forward") @implementation
public func snn_batch_norm_forward(_ args: UnsafePointer<snn_batch_norm_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "batch_norm") == Int32(SNN_FLOAT32) {
            try batchNormForward(args.pointee, Float.self)
        } else {
            try batchNormForward(args.pointee, Double.self)
        }
    }
}

private func batchNormForward<T: Element>(_ a: snn_batch_norm_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "batch_norm", T.self)
    let mean = try view(a.mean, "running_mean", "batch_norm", T.self)
    let variance = try view(a.variance, "running_var", "batch_norm", T.self)
    let weight = try optionalView(a.weight, "weight", "batch_norm", T.self)
    let bias = try optionalView(a.bias, "bias", "batch_norm", T.self)
    guard x.count >= 2 else {
        throw Message("batch_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let channels = x.shape[1]
    try require(mean, Shape(channels), "running_mean", "batch_norm")
    try require(variance, Shape(channels), "running_var", "batch_norm")
    try require(weight, Shape(channels), "weight", "batch_norm")
    try require(bias, Shape(channels), "bias", "batch_norm")
    guard try output(a.y, T.dtype, x.shape) else { return }
    if x.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let plane = x.size / (x.shape[0] * channels)
    if isSmallPlane(plane) {
        let scales = try PlaneNumbers<T>(channels, plane) { number(weight, $0) / (number(variance, $0) + a.eps).squareRoot() }
        defer { scales.release() }
        let centers = try PlaneNumbers(mean, channels, plane)
        defer { centers.release() }
        let shifts = try PlaneNumbers<T>(channels, plane) { bias == nil ? 0 : number(bias, $0) }
        defer { shifts.release() }
        return affineRows(
            nil, nil, from.data, scales.base, centers.base, shifts.base, y, rows: x.shape[0], n: channels * plane)
    }
    let perTask = max(1, 8192 / plane)
    let writer = RowWriter<T>(total: x.size)
    let rows = x.shape[0] * channels
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: x.size)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let c = row % channels
            let rstd = 1 / (Double(variance.data[c * variance.strides[0]]) + a.eps).squareRoot()
            channelAffine(
                from.data + row * plane, Double(mean.data[c * mean.strides[0]]), rstd, weight, bias, c, y + row * plane, plane, writer)
        }
        writer.end()
    }
}

/// y = b (x - center) + c + a dy for rows of n numbers, with n coefficients each.
private func affineRows<T: Element>(
    _ dy: UnsafePointer<T>?, _ a: UnsafePointer<T>?, _ x: UnsafePointer<T>, _ b: UnsafePointer<T>, _ center: UnsafePointer<T>,
    _ c: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, rows: Int, n: Int
) {
    let perTask = max(1, 16_384 / n)
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: rows * n)) { task, _ in
        for row in (task * perTask)..<min(rows, (task + 1) * perTask) {
            let at = row * n
            var p = snn_affine(
                dy: dy.map { $0 + at }, x: x + at, a: a, b: b, center: center, c: c, each: 1, n: Int64(n), y: y + at)
            T.kernels.pointee.affine(&p)
        }
    }
}

/// For rows of n numbers: sums = Σ dy and dots = Σ dy (x - center) down the columns, or without dy Σ (x - center)^2.
private func columnSums<T: Element>(
    _ dy: UnsafePointer<T>?, _ x: UnsafePointer<T>?, _ center: UnsafePointer<T>?, rows: Int, n: Int, sums: UnsafeMutablePointer<T>?,
    dots: UnsafeMutablePointer<T>?
) throws(Failure) {
    try accumulateRows(rows, n, sums, dots, work: rows * n * 2) { part, sums, dots in
        let at = part.lowerBound * n
        var p = snn_column_sums(
            rows: Int64(part.count), n: Int64(n), dy: dy.map { $0 + at }, ldy: Int64(n), x: x.map { $0 + at }, ldx: Int64(n),
            center: center, sums: sums, dots: dots)
        T.kernels.pointee.column_sums(&p)
    }
}

/// Biased mean and variance of each channel over images and positions. Threads: channels.
@_cdecl("snn_batch_stats_forward") @implementation
public func snn_batch_stats_forward(_ args: UnsafePointer<snn_batch_stats_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "batch_norm") == Int32(SNN_FLOAT32) {
            try batchStatsForward(args.pointee, Float.self)
        } else {
            try batchStatsForward(args.pointee, Double.self)
        }
    }
}

private func batchStatsForward<T: Element>(_ a: snn_batch_stats_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "batch_norm", T.self)
    guard x.count >= 2 else {
        throw Message("batch_norm: input has shape ").shape(x.shape).text("; expected (N, C, ...)").shapeError
    }
    let images = x.shape[0], channels = x.shape[1]
    let hasMean = try output(a.mean, T.dtype, Shape(channels))
    let hasVariance = try output(a.variance, T.dtype, Shape(channels))
    guard hasMean && hasVariance else { return }
    let mean = a.mean.pointee.data(T.self), variance = a.variance.pointee.data(T.self)
    let from = try Contiguous(x)
    defer { from.release() }
    let plane = images * channels == 0 ? 0 : x.size / (images * channels)
    if isSmallPlane(plane) && x.size > 0 {
        let width = channels * plane
        let scratch = try Scratch<T>(width)
        defer { scratch.release() }
        try columnSums(from.data, nil, nil, rows: images, n: width, sums: scratch.base, dots: nil)
        let count = Double(images * plane)
        for c in 0..<channels { mean[c] = T(total(scratch.base + c * plane, plane) / count) }
        let centers = try PlaneNumbers<T>(channels, plane) { Double(mean[$0]) }
        defer { centers.release() }
        try columnSums(nil, from.data, centers.base, rows: images, n: width, sums: nil, dots: scratch.base)
        for c in 0..<channels { variance[c] = T(total(scratch.base + c * plane, plane) / count) }
        return
    }
    let parts = try Scratch<Double>(2 * images * channels)
    defer { parts.release() }
    ThreadPool.run(channels, threads: ThreadPool.threads(forWork: x.size * 2)) { c, _ in
        // The mean of the images' means, then the variance as the mean of theirs plus that of their distances (in double).
        let means = parts.base + 2 * images * c, variances = means + images
        var sum = 0.0
        for i in 0..<images {
            T.kernels.pointee.moments(from.data + (i * channels + c) * plane, Int64(plane), &means[i], &variances[i])
            sum += means[i]
        }
        let center = sum / Double(images)
        var squares = 0.0
        for i in 0..<images { squares += variances[i] + (means[i] - center) * (means[i] - center) }
        mean[c] = T(x.size == 0 ? .nan : center)
        variance[c] = T(x.size == 0 ? .nan : squares / Double(images))
    }
}

/// Of y = (x - mean[c]) * rstd[c] * weight[c] + bias[c], with M numbers a channel: dbias = Σ dy, dweight = Σ dy (x - mean) rstd,
/// dx = dy rstd weight, and with `training`, where mean and variance are x's own,
/// dx = rstd weight (dy - dbias / M - (x - mean) rstd dweight / M). Threads: channels.
@_cdecl("snn_batch_norm_backward") @implementation
public func snn_batch_norm_backward(_ args: UnsafePointer<snn_batch_norm_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "batch_norm_backward") == Int32(SNN_FLOAT32) {
            try batchNormBackward(args.pointee, Float.self)
        } else {
            try batchNormBackward(args.pointee, Double.self)
        }
    }
}

private func batchNormBackward<T: Element>(_ a: snn_batch_norm_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "batch_norm_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let x = try view(a.x, "input", name, T.self)
    let mean = try view(a.mean, "running_mean", name, T.self)
    let variance = try view(a.variance, "running_var", name, T.self)
    let weight = try optionalView(a.weight, "weight", name, T.self)
    let channels = try channelCount(x, name)
    try require(mean, Shape(channels), "running_mean", name)
    try require(variance, Shape(channels), "running_var", name)
    try require(weight, Shape(channels), "weight", name)
    try require(dy, x.shape, "dy", name)
    let hasX = try outputIfWanted(a.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(a.dweight, T.dtype, Shape(channels))
    let hasBias = try outputIfWanted(a.dbias, T.dtype, Shape(channels))
    guard hasX && hasWeight && hasBias else { return }
    let dx = a.dx?.pointee.data(T.self), dweight = a.dweight?.pointee.data(T.self), dbias = a.dbias?.pointee.data(T.self)
    let images = x.shape[0]
    let plane = x.shape.slice(2, x.count).size
    let count = Double(images * plane)
    let training = a.training != 0
    let from = try Contiguous(x)
    defer { from.release() }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let needsSums = training || dweight != nil || dbias != nil
    if isSmallPlane(plane) && x.size > 0 {
        let width = channels * plane
        let centers = try PlaneNumbers(mean, channels, plane)
        defer { centers.release() }
        let sums = try Scratch<T>(2 * width)
        defer { sums.release() }
        if needsSums {
            try columnSums(
                gradient.data, from.data, centers.base, rows: images, n: width, sums: sums.base, dots: sums.base + width)
        }
        func sum(_ c: Int) -> Double { needsSums ? total(sums.base + c * plane, plane) : 0 }
        func dot(_ c: Int) -> Double { needsSums ? total(sums.base + (width + c * plane), plane) : 0 }
        func rstd(_ c: Int) -> Double { 1 / (number(variance, c) + a.eps).squareRoot() }
        for c in 0..<channels {
            dweight?[c] = T(dot(c) * rstd(c))
            dbias?[c] = T(sum(c))
        }
        guard let dx else { return }
        let scales = try PlaneNumbers<T>(channels, plane) { rstd($0) * number(weight, $0) }
        defer { scales.release() }
        let slopes = try PlaneNumbers<T>(channels, plane) { c in
            training ? -rstd(c) * number(weight, c) * rstd(c) * rstd(c) * dot(c) / count : 0
        }
        defer { slopes.release() }
        let shifts = try PlaneNumbers<T>(channels, plane) { c in training ? -rstd(c) * number(weight, c) * sum(c) / count : 0 }
        defer { shifts.release() }
        if !training {
            // slopes and shifts are zeros
            return affineRows(nil, nil, gradient.data, scales.base, slopes.base, shifts.base, dx, rows: images, n: width)
        }
        return affineRows(
            gradient.data, scales.base, from.data, slopes.base, centers.base, shifts.base, dx, rows: images, n: width)
    }
    let writer = RowWriter<T>(total: x.size)
    ThreadPool.run(channels, threads: ThreadPool.threads(forWork: x.size * 2)) { c, _ in
        let center = number(mean, c)
        let rstd = 1 / (number(variance, c) + a.eps).squareRoot()
        var sum = 0.0, dot = 0.0
        if needsSums {
            for i in 0..<images {
                let at = (i * channels + c) * plane
                var s = 0.0, d = 0.0
                T.kernels.pointee.centered_sums(gradient.data + at, from.data + at, center, Int64(plane), &s, &d)
                sum += s
                dot += d * rstd
            }
        }
        dweight?[c] = T(dot)
        dbias?[c] = T(sum)
        guard let dx else { return }
        let scale = rstd * number(weight, c)
        for i in 0..<images {
            let at = (i * channels + c) * plane
            if training {
                affine(
                    gradient.data + at, scale, from.data + at, -scale * rstd * dot / count, center, -scale * sum / count, dx + at, plane,
                    writer)
            } else {
                affine(nil, 0, gradient.data + at, scale, 0, 0, dx + at, plane, writer)
            }
        }
        writer.end()
    }
}
